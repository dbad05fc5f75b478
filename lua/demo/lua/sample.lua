-- The contacts that a new session starts with: made up by counting, never at random, so that every
-- session begins alike. Addresses use the reserved `.example` domain and phone numbers the range kept
-- for fiction.

local text = require("text")

local sample = {}

-- Two lists whose lengths share no divisor: stepping through both meets every pair once.
local FIRST = {
  "Mira", "Tobias", "Ines", "Kofi", "Saoirse", "Emil", "Yuki", "Adaeze", "Lorenzo", "Hanne", "Rafael", "Zoë",
  "Bram", "Priya", "Anselm", "Leila", "Oskar", "Noor", "Piet", "Amara", "Jonas", "Sunniva", "Teo", "Marta",
  "Idris", "Freya", "Kenji", "Odile", "Pavel", "Wanjiru", "Silas", "Greta", "Mateus", "Aoife", "Viggo", "Dalia",
  "Henrik", "Nadia", "Callum", "Birgit", "Élodie", "Bastien", "Chiara", "Dimitri", "Eluned", "Farid", "Gwen",
  "Hamish", "Imogen", "Jasper", "Katya", "Lucian", "Malin", "Nils", "Orla", "Paloma", "Quentin", "Rosalind",
  "Stellan", "Thandi", "Ulla", "Valentin", "Willa", "Xenia", "Yannick", "Zainab", "Ambrose", "Beatrix", "Cosimo",
  "Delphine", "Edvin", "Fiona", "Gideon", "Hollis", "Isolde", "Joaquim", "Keziah", "Linus", "Maeve",
}
local LAST = {
  "Halvorsen", "Brightwater", "Åkesson", "Mensah", "Thornbury", "Lindqvist", "Okonjo", "Marchetti", "Vanderveen",
  "Castellane", "Ashdown", "Núñez", "Feldkamp", "Ravenscroft", "Sorensen", "Adeyinka", "Quillfeather", "Hofstra",
  "Pemberlin", "Jørgensen", "Winterbourne", "Tanizaki", "Dubrovin", "Larkspur", "Oyelaran", "Strand", "Villareal",
  "Kestrel", "Nakagawa", "Bellweather", "Holloway", "Šimek", "Fairbairn", "Ostrander", "Cavendale", "Mukherji",
  "Greenhalgh", "Torvald", "Appleyard", "Ferreira", "Langstrom", "Dunmore", "Zieliński",
}
local COMPANY = {
  "Bluecrane Textiles", "Halden Instruments", "Morrow & Finch", "Tidewater Press", "Juniper Lane Bakery",
  "Ostrava Glassworks", "Lantern Street Clinic", "Meridian Bicycles", "Foxglove Gardens", "Paper Harbour",
  "Quarry Hill Brewing", "Northlight Studio", "Copperfield Rail", "Saltmarsh Ferries", "Wren Acoustics",
  "Yellow Door Theatre", "Larch Timber Yard",
}
local ROLE = {
  "Bookbinder", "Instrument maker", "Stage manager", "Pastry chef", "Ship's engineer", "Translator", "Glassblower",
  "Night-shift nurse", "Cartographer", "Luthier", "Hydrologist", "Head gardener", "Typesetter", "Sound engineer",
  "Bicycle mechanic", "Archivist", "Brewer", "Weaver", "Surveyor",
}
local CITY = {
  "Ghent", "Porto", "Bergen", "Accra", "Galway", "Turin", "Kanazawa", "Uppsala", "Utrecht", "Valparaíso", "Leeds",
  "Gdańsk", "Montréal",
}
local NOTE = {
  "Prefers a call before noon.", "Met at the paper fair; knows a good binder.", "Send the invoice to the workshop.",
  "Allergic to cats.", "On leave until the autumn.", "Speaks Portuguese and a little Dutch.",
}

local function pick(list, n)
  return list[n % #list + 1]
end

-- Some cities have many contacts and some have few, as in life.
local function city_of(n)
  local share = n * 389 % 240 / 240
  return CITY[1 + math.floor(share * share * #CITY)]
end

local function domain_of(company)
  return (text.fold(company):gsub("&", ""):match("^%S+")) .. ".example"
end

--- The fields of the `n`th contact, as a plain table.
function sample.contact(n)
  local first, last, company = pick(FIRST, n * 7), pick(LAST, n * 11), pick(COMPANY, n * 5 + n // 17)
  local user = text.fold(first .. "." .. last)
  return {
    name = first .. " " .. last,
    role = pick(ROLE, n * 3 + n // 19),
    company = company,
    email = user .. "@" .. domain_of(company),
    phone = string.format("+1 %d 555 01%02d", 201 + n * 13 % 700, n * 37 % 100),
    city = city_of(n),
    note = n % 5 == 2 and pick(NOTE, n // 5) or nil,
    favourite = n % 17 == 3 or nil,
  }
end

return sample
