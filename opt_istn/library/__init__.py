"""Instances with plans and certificates that anybody can check and cite; docs/files.md."""
