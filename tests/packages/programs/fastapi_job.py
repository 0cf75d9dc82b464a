"""Routes, validation and the OpenAPI document, called in the process."""

import json

from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

app = FastAPI()


class Item(BaseModel):
    name: str
    price: float = Field(gt=0)


async def double(factor: int = 2):
    return factor


@app.post("/items/{number}")
async def create(number: int, item: Item, factor: int = Depends(double)):
    return {"number": number, "total": item.price * factor, "name": item.name}


@app.get("/sync")
def synchronous():
    return {"ok": True}


with TestClient(app) as client:
    print(client.post("/items/3?factor=4", json={"name": "n", "price": 2.5}).json())
    refused = client.post("/items/x", json={"name": "n", "price": -1})
    print(refused.status_code, sorted(error["type"] for error in refused.json()["detail"]))
    print(client.get("/sync").json(), len(json.dumps(client.get("/openapi.json").json())))
