"""The gateway: llmos as an MCP server, in a process of the client's (`llmos mcp`)."""
