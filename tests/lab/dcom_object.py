"""The object that client and server of the lab's DCOM speak of."""

from uuid import UUID

CLSID = UUID("11111111-2222-4333-8444-5555666677ab")
IID = UUID("11111111-2222-4333-8444-5555666677ac")
DOMAIN, USER, PASSWORD = "LAB", "labuser", "Lab-Pass1"
PORT = 49670
