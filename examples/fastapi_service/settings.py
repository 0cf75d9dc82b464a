"""What the service is told by its environment, known where it runs."""

import os

DATABASE_URL = os.environ.get("DATABASE_URL", "sqlite:///:memory:?check_same_thread=false")
REGION = os.environ.get("AWS_REGION", "eu-central-1")
