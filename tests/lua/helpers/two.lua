return { of_one = require("helpers.one") }
