"""Whether anything of a person stays: in memory, in the browser, in any file."""
