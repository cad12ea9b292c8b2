"""PhotoChanger on several hosts, all on loopback: two `serve` behind nginx, three `worker`, a database and a store."""
