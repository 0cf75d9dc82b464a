"""What a program freezes stays frozen, whatever was frozen before."""

import gc
import json

gc.freeze()
assert gc.get_freeze_count() > 1000
assert not any(listed is vars(json) for listed in gc.get_objects())
assert gc.get_freeze_count() > 1000
gc.unfreeze()
assert any(listed is vars(json) for listed in gc.get_objects())
print(gc.get_freeze_count())
