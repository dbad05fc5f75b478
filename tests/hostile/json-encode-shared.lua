-- A table that contains another ten times over, ten levels deep.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = { 1 }
  for i = 1, 12 do t = { t, t, t, t, t, t, t, t, t, t } end
  return ui.json_encode(t)
end
