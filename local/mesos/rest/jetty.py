"""Pages that Jetty writes where Marathon itself has no say: HTML, whatever the client accepts."""

from html import escape
from http import HTTPStatus

from aiohttp import web


def error_page(request: web.Request, status: HTTPStatus) -> web.Response:
    """Jetty's error page for a request.

    Source: ErrorHandler of Jetty 9.4, the server in Marathon 1.6 to 1.11.
    """
    return web.Response(
        status=status.value,
        text=(
            "<html>\n<head>\n"
            '<meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>\n'
            f"<title>Error {status.value} {status.phrase}</title>\n</head>\n"
            f"<body><h2>HTTP ERROR {status.value}</h2>\n"
            f"<p>Problem accessing {escape(request.path)}. Reason:\n"
            f"<pre>    {status.phrase}</pre></p>\n</body>\n</html>\n"
        ),
        content_type="text/html",
        headers={"Cache-Control": "must-revalidate,no-cache,no-store"},
    )
