module reload/caller

go 1.26
