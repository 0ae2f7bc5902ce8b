-- Appends an event, and replies when that was. ARGV: the record of its session without values, or ''.
append(ARGV[#ARGV - 3], ARGV[1] ~= '' and for_event(ARGV[1]) or '')
return now_ms()
