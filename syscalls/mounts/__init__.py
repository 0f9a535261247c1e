"""Mounts: syscalls whose code is elsewhere. MCP servers, and HTTP services with an OpenAPI
description.

In the order of a call: `settings` says what is mounted, `approvals` what of it was agreed to,
`mount_table` keeps one `mounted` for each, and that speaks with a `bridge`, a process of its own,
which speaks with the server (`mcp_client` over `stdio` or HTTP) or the service (`openapi`). The
kernel itself loads neither `mcp` nor an HTTP client.
"""
