#!/bin/busybox sh
printf 'Content-Type: text/plain\r\n\r\n'
/bin/busybox cat /etc/hello/greeting
printf 'You reached pod %s on node %s.\n' "$HOSTNAME" "$NODE_NAME"
