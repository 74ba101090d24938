"""The bench's routes on FastAPI, as its documentation would write them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan, default_response_class=PlainTextResponse)


@app.get("/hello")
async def hello() -> str:
    return "hello"


@app.get("/sleep")
async def sleep(ms: int) -> str:
    await asyncio.sleep(ms / 1000)
    return "slept"


def is_prime(candidate: int) -> bool:
    divisor = 2
    while divisor * divisor <= candidate:
        if candidate % divisor == 0:
            return False
        divisor += 1
    return True


def count_primes(below: int) -> str:
    return str(sum(1 for candidate in range(2, below) if is_prime(candidate)))


@app.get("/cpu")
def cpu(below: int) -> str:
    """Runs in FastAPI's pool of threads."""
    return count_primes(below)


@app.get("/cpu-async")
async def cpu_async(below: int) -> str:
    """Runs on the event loop, by mistake."""
    return count_primes(below)


@app.get("/fanout")
async def fanout(url: str) -> str:
    client = app.state.client
    answers = await asyncio.gather(*(client.get(url) for _ in range(3)))
    return str(sum(len(answer.content) for answer in answers))


class Customer(BaseModel):
    name: str
    email: str
    street: str
    city: str


class Item(BaseModel):
    sku: str
    title: str
    quantity: int
    price: float


class Order(BaseModel):
    id: int
    customer: Customer
    items: list[Item]
    express: bool
    discount: float | None
    note: str


@app.post("/bytes")
async def bytes_(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


@app.post("/echo", response_class=JSONResponse)
async def echo(order: Order) -> Order:
    return order
