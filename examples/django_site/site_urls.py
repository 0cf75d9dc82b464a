"""The site's pages."""

from django.db import connection
from django.http import JsonResponse
from django.urls import path


def health(request):
    """Whether the site answers and has its database."""
    with connection.cursor() as cursor:
        cursor.execute("select 1")
        return JsonResponse({"status": "ok", "database": cursor.fetchone() == (1,)})


urlpatterns = [path("health", health)]
