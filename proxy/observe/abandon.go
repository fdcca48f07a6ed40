package observe

// Hold counts the request as one that waits for an instance, until Release.
func (e *Entry) Hold() { e.series.held.Add(1) }

// Release ends a Hold.
func (e *Entry) Release() { e.series.held.Add(-1) }

// Abandon ends a request that is not to be recorded: it goes on elsewhere.
func (e *Entry) Abandon() { e.series.inFlight.Add(-1) }
