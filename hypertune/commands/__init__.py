"""The commands, one file each; heavy modules are imported only when a command needs them."""
