-- Text helpers of the address book: folding for search and sorting, initials, trimming.

local text = {}

local PLAIN = {
  ["á"] = "a", ["à"] = "a", ["ã"] = "a", ["ä"] = "a", ["å"] = "a", ["Å"] = "a", ["æ"] = "ae",
  ["ç"] = "c", ["Č"] = "c", ["č"] = "c", ["é"] = "e", ["è"] = "e", ["ê"] = "e", ["ë"] = "e", ["É"] = "e",
  ["í"] = "i", ["ï"] = "i", ["Í"] = "i", ["ł"] = "l", ["Ł"] = "l", ["ñ"] = "n", ["ń"] = "n",
  ["ó"] = "o", ["õ"] = "o", ["ö"] = "o", ["ø"] = "o", ["Ö"] = "o", ["Ø"] = "o", ["ř"] = "r",
  ["š"] = "s", ["Š"] = "s", ["ş"] = "s", ["ß"] = "ss", ["ú"] = "u", ["ü"] = "u", ["Ü"] = "u",
  ["ý"] = "y", ["ž"] = "z", ["Ž"] = "z",
}

--- Lower case without accents, so that "akes" finds "Åkesson" and "Å" sorts beside "A".
function text.fold(s)
  return (s:gsub("[\xC2-\xF4][\x80-\xBF]*", PLAIN):lower())
end

--- Texts that were asked for before, folded.
text.folded = setmetatable({}, {
  __index = function(folded, s)
    folded[s] = text.fold(s)
    return folded[s]
  end,
})

--- `s` without space around it, and with single spaces inside.
function text.trim(s)
  return (tostring(s or ""):gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
end

--- The first letters of the first and the last word: "Ines Åkesson" gives "IÅ".
function text.initials(name)
  local first, last
  for word in name:gmatch("%S+") do
    local letter = word:match("^[%z\1-\x7F\xC2-\xF4][\x80-\xBF]*") or "?"
    if first then last = letter else first = letter end
  end
  return ((first or "?") .. (last or "")):upper()
end

return text
