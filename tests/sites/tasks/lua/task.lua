-- One task. It knows how it is edited; the list knows where it stands.

Task = session:prototype("Task", {
    title = "",
    done = false,
    editing = false,
    draft = "",
})

function Task:new(instance)
    instance = session:create(Task, instance or {})
    instance.done = instance.done or false
    return instance
end

-- Double click begins, Enter or leaving the field ends, Escape forgets.
function Task:edit()
    self.draft = self.title
    self.editing = true
end

function Task:save()
    if not self.editing then return end
    self.editing = false
    local title = self.draft:match("^%s*(.-)%s*$")
    if title == "" then
        tasks:remove(self)
    else
        self.title = title
    end
end

function Task:cancel()
    self.editing = false
end

function Task:isEditing() return self.editing end
function Task:notEditing() return not self.editing end

function Task:remove()
    tasks:remove(self)
end
