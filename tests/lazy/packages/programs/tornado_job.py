"""A server and a client of tornado in one loop."""

import asyncio

import tornado.httpclient
import tornado.httpserver
import tornado.testing
import tornado.web


class Hello(tornado.web.RequestHandler):
    async def get(self, name):
        await asyncio.sleep(0)
        self.write({"hello": name})


async def main():
    application = tornado.web.Application([(r"/(\w+)", Hello)])
    server = tornado.httpserver.HTTPServer(application)
    socket, port = tornado.testing.bind_unused_port()
    server.add_sockets([socket])
    client = tornado.httpclient.AsyncHTTPClient()
    response = await client.fetch(f"http://127.0.0.1:{port}/anna")
    print(response.code, response.body)
    server.stop()
    await server.close_all_connections()


asyncio.run(main())
