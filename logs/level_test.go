package logs

import "testing"

// levels are lines with what DetectLevel makes of them.
var levels = []struct {
	line  string
	level Level
}{
	{`{"level":"warn","msg":"x"}`, Warn},
	{`{"msg":"level","severity": "ERROR"}`, Error},
	{`{"time":1,"level":50,"pid":3}`, Error},
	{`{"level":6}`, Info},
	{`{"inner":{"level":"fatal"},"levelname":"debug"}`, Debug},
	{`{"msg":"\"level\":\"fatal\""}`, Unknown},
	{`{"level":"odd"} ERROR`, Error},
	{`time=2025-01-02 level=warn msg="level=fatal"`, Warn},
	{`severity="error" x`, Error},
	{`loglevel`, Unknown},
	{`E0102 15:04:05.000000 1 main.go:1] x`, Error},
	{`2025-01-02 15:04:05,000 [main] ERROR com.example - x`, Error},
	{`INFO:     Uvicorn running on http://127.0.0.1:8000`, Info},
	{`WARNING:root:careful`, Warn},
	{`npm ERR! code 1`, Error},
	{`2025/01/02 15:04:05 [error] 7#7: *1 open() failed`, Error},
	{`<warn> x`, Warn},
	{`error: no such file`, Error},
	{`Warning: deprecated`, Warn},
	{`ValueError: bad`, Error},
	{`java.io.IOException: Broken pipe`, Error},
	{`Traceback (most recent call last):`, Error},
	{`panic: runtime error`, Fatal},
	{`the information: there was an error, and a fatal one`, Unknown},
	{`GET /error/INFORMATION 200`, Unknown},
	{`127.0.0.1 - - [02/Jan/2025] "GET /debug HTTP/1.1" 200 5`, Unknown},
	{``, Unknown},
}

func TestDetectLevel(t *testing.T) {
	for _, c := range levels {
		if got := DetectLevel([]byte(c.line)); got != c.level {
			t.Errorf("%s: %v, want %v", c.line, got, c.level)
		}
	}
}

func TestParseLevel(t *testing.T) {
	for word, want := range map[string]Level{"WARN": Warn, "warning": Warn, "err": Error, "critical": Fatal, "trace": Trace} {
		if got, err := ParseLevel(word); got != want || err != nil {
			t.Errorf("%s: %v, %v", word, got, err)
		}
	}
	if l, err := ParseLevel("loud"); err == nil {
		t.Errorf("loud: %v", l)
	}
	var l Level
	if err := l.UnmarshalText([]byte("info")); err != nil || l != Info {
		t.Errorf("%v, %v", l, err)
	}
}
