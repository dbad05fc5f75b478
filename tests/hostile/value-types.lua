-- Types that are no texts.
-- where: getter
-- expect: nothing

function app:attack()
  self.i = (self.i or 0) + 1
  local types = { 1, 1.5, true, {}, print, 0 / 0, "\xff", "" }
  return { type = types[self.i % 8 + 1] }
end
