"""What the service is told by its environment, known where it runs."""

import os

DATABASE_URL = os.environ.get("DATABASE_URL", "sqlite:///file::memory:?cache=shared&uri=true")
REGION = os.environ.get("AWS_REGION", "eu-central-1")
