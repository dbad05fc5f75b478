-- Page: what the views of the navigation have in common.
-- A page knows its app and address, can be shown, and can say whether it is the one on screen.

local Page = session:prototype("Page", { app = EMPTY, address = "/" })

--- The navigation's action: a page has an address of its own, which can be linked to.
function Page:show()
  session:navigate(self.address)
  self.app:open(self)
end

--- For `aria-current`: "page" while this page is on screen, else nothing.
function Page:current()
  return self.app.page == self and "page" or nil
end

--- Called when the page comes on screen and when it goes; pages with timers override these.
function Page:enter() end
function Page:leave() end

return Page
