package templates

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// pack writes files as a gzipped tar, the same bytes for the same files.
func pack(files Tree) ([]byte, error) {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // a known level
	w := tar.NewWriter(z)
	for _, p := range files.Paths() {
		mode := int64(0o644)
		if files[p].Exec {
			mode = 0o755
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: p, Mode: mode, Size: int64(len(files[p].Data)), Format: tar.FormatPAX}); err != nil {
			return nil, err
		}
		if _, err := w.Write(files[p].Data); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// unpack reads what pack wrote.
func unpack(data []byte) (Tree, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	files := Tree{}
	r := tar.NewReader(io.LimitReader(z, 2*maxBytes))
	for {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return files, nil
		case err != nil:
			return nil, err
		case h.Typeflag != tar.TypeReg || !cleanPath(h.Name) || len(files) > maxFiles:
			return nil, fmt.Errorf("%q does not belong in it", h.Name)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		files[h.Name] = File{content, h.Mode&0o100 != 0}
	}
}
