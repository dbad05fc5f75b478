local two = require("helpers.two")
return { seen = two.of_one }
