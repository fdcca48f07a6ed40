module reload/go

go 1.26
