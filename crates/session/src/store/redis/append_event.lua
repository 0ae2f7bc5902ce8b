-- Appends an event that is about no session, and replies when that was.
append('')
return now_ms()
