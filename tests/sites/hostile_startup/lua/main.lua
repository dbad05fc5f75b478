-- hostile_startup: main.lua itself never ends. The page must say that it was cut off, and other
-- sessions must go on working.

while true do end
