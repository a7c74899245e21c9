"""Datagrams to the firewall, as many and as long as is asked: datagrams.py COUNT SIZE PAUSE_MS"""

import socket
import sys
import time


def main() -> None:
    count, size, pause = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        data = bytes(size)
        for _ in range(count):
            sender.sendto(data, ("198.51.100.1", 9))
            if pause:
                time.sleep(pause)


if __name__ == "__main__":
    main()
