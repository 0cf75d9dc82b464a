"""Dates are parsed, moved and repeated."""

import datetime

from dateutil import parser, relativedelta, rrule, tz

start = parser.parse("Sat Oct 11 17:13:46 2003 +0200")
print(start, start.astimezone(tz.UTC), start + relativedelta.relativedelta(months=+1, day=31))
print(list(rrule.rrule(rrule.MONTHLY, count=3, byweekday=rrule.FR(-1), dtstart=start)))
print(rrule.rrulestr("DTSTART:20240101T000000\nRRULE:FREQ=YEARLY;COUNT=2")[1])
print(tz.gettz("UTC").utcoffset(datetime.datetime(2024, 1, 1)))
