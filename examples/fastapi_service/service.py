"""A service as there are many: a web framework, a database, tables and a cloud."""

from contextlib import asynccontextmanager

import boto3
import pandas
from fastapi import FastAPI
from sqlalchemy import create_engine, text


@asynccontextmanager
async def lifespan(app):
    """Reads its settings and connects when the service starts, not when it is imported."""
    import settings

    app.state.region = settings.REGION
    app.state.engine = create_engine(settings.DATABASE_URL)
    yield
    app.state.engine.dispose()
    print("stopped", flush=True)


app = FastAPI(lifespan=lifespan)


@app.get("/health")
def health():
    """Whether the service answers and has its database."""
    with app.state.engine.connect() as connection:
        return {"status": "ok", "database": connection.execute(text("select 1")).scalar() == 1}


@app.get("/mean")
def mean(numbers: str):
    """The mean of comma-separated numbers."""
    return {"mean": float(pandas.Series([float(n) for n in numbers.split(",")]).mean())}


@app.get("/queue")
def queue():
    """Where messages would go."""
    session = boto3.session.Session(region_name=app.state.region)
    return {"region": session.region_name, "services": len(session.get_available_services())}
