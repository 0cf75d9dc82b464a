"""A server and two clients in one loop."""

import asyncio

import aiohttp
import aiohttp.web
import httpx


async def answer(request):
    return aiohttp.web.Response(text=f"ok {request.query['a']}")


async def main():
    app = aiohttp.web.Application()
    app.router.add_get("/", answer)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{host}:{port}/?a=1") as response,
    ):
        print(response.status, await response.text())
    async with httpx.AsyncClient(trust_env=False) as client:
        print((await client.get(f"http://{host}:{port}/?a=2")).text)
    await runner.cleanup()


asyncio.run(main())
