-- broken: main.lua fails before it shows anything. The page must say so and nothing may be leaked.

local settings = nil

session:log(2, "about to fail")
session:createAppVariable({ type = "App", title = settings.title })
