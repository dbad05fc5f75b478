-- ContactPresenter: a contact in the list. Whether its delete button asks back is its own business and stays
-- with the contact when others come, go or move.

ContactPresenter = session:prototype("ContactPresenter", {
    viewItem = EMPTY,
    contact = EMPTY,
    confirming = false,
})

function ContactPresenter:new(viewItem)
    return session:create(ContactPresenter, {
        viewItem = viewItem,
        contact = viewItem.baseItem,
    })
end

function ContactPresenter:noPhone() return self.contact.phone == "" end
function ContactPresenter:notConfirming() return not self.confirming end

function ContactPresenter:groupName()
    local group = Group.named(self.contact.group)
    return group and group.name or ""
end

function ContactPresenter:noGroup() return self:groupName() == "" end

function ContactPresenter:star() return self.contact.favourite and "★" or "☆" end

function ContactPresenter:toggleFavourite()
    self.contact.favourite = not self.contact.favourite
end

-- Position in the list as people count: items count from 0.
function ContactPresenter:number()
    return (self.viewItem.index + 1) .. "."
end

function ContactPresenter:edit() contactApp:editContact(self.contact) end
function ContactPresenter:askDelete() self.confirming = true end
function ContactPresenter:keep() self.confirming = false end
function ContactPresenter:delete() contactApp:deleteContact(self.contact) end
