counting = (counting or 0) + 1
return { loads = counting }
