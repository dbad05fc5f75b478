-- An iterator that never says nil.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  for k in function() return 1 end do end
end
