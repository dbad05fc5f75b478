-- Downloads offered without end.
-- where: action
-- expect: limit
-- text: gas limit
-- keeps

function app:attack()
  local function piece() return "x" end
  while true do session:download("name", "text/plain", piece) end
end
