"""Settings, models in a database in memory, templates and a request through the handler."""

import django
import django.contrib.auth
import django.db.models
import django.http
import django.template
import django.test
import django.urls
from django.conf import settings

settings.configure(
    ROOT_URLCONF="__main__",
    SECRET_KEY="not a secret",
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    USE_TZ=True,
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
)
django.setup()


def page(request, name):
    template = django.template.engines["django"].from_string(
        "hello {{ name|upper }}, {{ request.method }}"
    )
    return django.http.HttpResponse(template.render({"name": name}, request))


urlpatterns = [django.urls.path("hello/<str:name>/", page)]

if __name__ == "__main__":
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    User.objects.create_user("anna", password="p")
    print(User.objects.filter(username__startswith="a").values_list("username", flat=True)[0])
    print(django.contrib.auth.authenticate(username="anna", password="p"))
    answer = django.test.Client().get("/hello/world/")
    print(answer.status_code, answer.content)
    print(django.test.Client().get("/missing/").status_code)
