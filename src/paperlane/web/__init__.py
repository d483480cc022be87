"""HTTP, WebSocket and the page: one router a file, put together by `paperlane.web.app`."""
