"""The commands, a file each: options, one library call, what is printed."""
