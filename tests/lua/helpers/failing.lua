failing_loads = (failing_loads or 0) + 1

error("on purpose")
