"""Tasks, a chain and a group, run in place."""

import celery
from celery import chain, group, shared_task

app = celery.Celery("job", broker="memory://", backend="cache+memory://")
app.conf.task_always_eager = True
app.conf.task_store_eager_result = True


@app.task
def add(x, y):
    return x + y


@shared_task
def total(numbers):
    return sum(numbers)


print(add.delay(1, 2).get(), chain(add.s(1, 2), add.s(3))().get())
print(total.delay(group(add.s(n, n) for n in range(3))().get()).get(), sorted(app.tasks)[-2:])
