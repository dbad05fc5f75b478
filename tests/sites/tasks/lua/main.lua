-- tasks: a list of things to do.

require("task")

TasksApp = session:prototype("TasksApp", {
    _tasks = EMPTY,
    newTitle = "",
    filter = "all",
})

function TasksApp:new(instance)
    instance = session:create(TasksApp, instance)
    instance._tasks = instance._tasks or {}
    return instance
end

-- Adding: Enter in the field or the button. A field of spaces adds nothing.
function TasksApp:add()
    local title = self.newTitle:gsub("^%s+", ""):gsub("%s+$", "")
    if title == "" then return end
    table.insert(self._tasks, Task:new({ title = title }))
    self.newTitle = ""
end

local shown = {
    all = function() return true end,
    active = function(task) return not task.done end,
    done = function(task) return task.done end,
}

function TasksApp:tasks()
    local result = {}
    table.foreachi(self._tasks, function(_, task)
        if shown[self.filter](task) then result[#result+1] = task end
    end)
    return result
end

-- filterAll, isAll and so on: one pair for each button.
for _, name in ipairs({ "all", "active", "done" }) do
    local cap = name:sub(1, 1):upper() .. name:sub(2)
    TasksApp["filter" .. cap] = function(self) self.filter = name end
    TasksApp["is" .. cap] = function(self) return self.filter == name end
end

function TasksApp:countLeft()
    local left = 0
    for i = 1, table.getn(self._tasks) do
        if not self._tasks[i].done then left = left + 1 end
    end
    return left
end

function TasksApp:left()
    local n = self:countLeft()
    return string.format("%d %s left", n, n == 1 and "task" or "tasks")
end

function TasksApp:nothingDone() return self:countLeft() == #self._tasks end
function TasksApp:noneShown() return #self:tasks() == 0 end
function TasksApp:someShown() return not self:noneShown() end
function TasksApp:noTasks() return next(self._tasks) == nil end

function TasksApp:emptyText()
    if #self._tasks == 0 then return "Nothing to do. Enjoy the day!" end
    return "No task is " .. (self.filter == "done" and "done yet." or "left.")
end

function TasksApp:allDone()
    return #self._tasks > 0 and self:countLeft() == 0
end

-- The box above the list: checks all, or none when all are checked.
function TasksApp:toggleAll()
    local done = not self:allDone()
    for _, task in pairs(self._tasks) do task.done = done end
end

function TasksApp:clearDone()
    for i = #self._tasks, 1, -1 do
        if self._tasks[i].done then table.remove(self._tasks, i) end
    end
end

function TasksApp:remove(task)
    for i, other in ipairs(self._tasks) do
        if other == task then
            table.remove(self._tasks, i)
            return
        end
    end
end

if not session.reloading then
    tasks = TasksApp:new({
        _tasks = {
            Task:new({ title = "Water the plants" }),
            Task:new({ title = "Post the letter", done = true }),
            Task:new({ title = "Call the dentist" }),
        },
    })
    session:createAppVariable(tasks)
end
