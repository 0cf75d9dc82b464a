"""The time zone is the one of the start, and `time.tzset` obeys a new one."""

import datetime
import os
import time
import zoneinfo

MOMENT = 1_700_000_000
print(time.tzname, time.timezone, time.altzone, time.daylight)
print(time.localtime(MOMENT), time.strftime("%c %Z", time.localtime(MOMENT)))
print(datetime.datetime.fromtimestamp(MOMENT).astimezone().isoformat())
try:
    print(
        datetime.datetime.fromtimestamp(MOMENT, zoneinfo.ZoneInfo("America/New_York")).isoformat()
    )
except zoneinfo.ZoneInfoNotFoundError as error:
    print(error)
print(zoneinfo.TZPATH)
os.environ["TZ"] = "ABC+5"
time.tzset()
print(time.tzname, time.localtime(MOMENT).tm_hour)
