package breached

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/FastFilter/xorfilter"
)

// Order says what to import.
type Order struct {
	Form       string // Auto, SHA1 or Text
	LeastCount int    // of a counted source, only what was seen as often; 0 takes all
	Made       time.Time
}

// Report tells what an import did.
type Report struct {
	Facts
	Lines, Skipped, Repeated int64
}

// Import builds the list of a source and puts it at path, whole or not at all: whatever was there stays in use until the
// new one is complete. Keys wait on the disk beside path, eight bytes each, so that memory stays small however long the
// list is. progress hears how many lines were read and how far building is (0 to 1), from time to time.
func Import(ctx context.Context, r io.Reader, path string, o Order, progress func(lines int64, built float64)) (Report, error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".breached-*")
	if err != nil {
		return Report{}, fmt.Errorf("the list cannot be written: %w", err)
	}
	defer os.RemoveAll(dir)
	from := &source{lines: bufio.NewReaderSize(r, maxLine), form: o.Form, least: o.LeastCount}
	heap, err := spill(ctx, from, dir, func(n int64) { progress(n, 0) })
	if err != nil {
		return Report{}, err
	}
	defer heap.close()
	report := Report{Lines: from.line, Skipped: from.skipped}
	if heap.total == 0 {
		return report, errors.New("the source holds no password, so nothing was changed")
	}
	fresh := filepath.Join(dir, "list")
	b := &build{facts: Facts{LeastCount: o.LeastCount, Made: o.Made}, bits: bitsFor(heap.total)}
	if err := b.write(ctx, fresh, heap, func(part float64) { progress(from.line, part) }); err != nil {
		return report, fmt.Errorf("the list cannot be written: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return report, fmt.Errorf("the list cannot be written: %w", err)
	}
	if folder, err := os.Open(filepath.Dir(path)); err == nil {
		folder.Sync() // the name outlives a power cut too, where the file system can promise that
		folder.Close()
	}
	done, err := openFile(path)
	if err != nil {
		return report, err
	}
	defer done.Close()
	report.Facts = done.facts
	report.Repeated = heap.total - done.facts.Passwords
	return report, done.verify()
}

// bitsFor chooses how many shards so many keys need.
func bitsFor(keys int64) int {
	bits := 0
	for keys>>bits > shardKeys && bits < maxBits {
		bits++
	}
	return bits
}

// heaps are the keys by their first byte, each in a file.
type heaps struct {
	files [256]*os.File
	total int64
}

const tellEvery = 1 << 16 // lines between two looks at the clock and at ctx

// spill reads the source to its end.
func spill(ctx context.Context, from *source, dir string, progress func(lines int64)) (_ *heaps, err error) {
	h := &heaps{}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	var out [256]*bufio.Writer
	for i := range h.files {
		if h.files[i], err = os.Create(filepath.Join(dir, fmt.Sprintf("%02x", i))); err != nil {
			return nil, fmt.Errorf("the list cannot be written: %w", err)
		}
		out[i] = bufio.NewWriterSize(h.files[i], 1<<15)
	}
	var raw [8]byte
	for {
		key, err := from.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		le.PutUint64(raw[:], key)
		if _, err := out[key>>56].Write(raw[:]); err != nil {
			return nil, fmt.Errorf("the list cannot be written: %w", err)
		}
		if h.total++; h.total%tellEvery == 0 {
			progress(from.line)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
	}
	for _, w := range out {
		if err := w.Flush(); err != nil {
			return nil, fmt.Errorf("the list cannot be written: %w", err)
		}
	}
	progress(from.line)
	return h, nil
}

// sorted gives the keys of one heap in order, each once.
func (h *heaps) sorted(i int) ([]uint64, error) {
	size, err := h.files[i].Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, size)
	if _, err := h.files[i].ReadAt(raw, 0); err != nil && err != io.EOF {
		return nil, err
	}
	keys := make([]uint64, size/8)
	for k := range keys {
		keys[k] = le.Uint64(raw[8*k:])
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

func (h *heaps) close() {
	for _, f := range h.files {
		if f != nil {
			f.Close() // its folder is removed
		}
	}
}

// build writes one file.
type build struct {
	facts   Facts
	bits    int
	table   []byte
	out     *bufio.Writer
	offset  int64
	shard   int // that pending belongs to
	pending []uint64
	builder xorfilter.BinaryFuseBuilder
}

func (b *build) write(ctx context.Context, path string, h *heaps, progress func(part float64)) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b.table = make([]byte, entrySize<<b.bits)
	b.offset = int64(headSize + len(b.table))
	if _, err := f.Seek(b.offset, io.SeekStart); err != nil {
		return err
	}
	b.out = bufio.NewWriterSize(f, 1<<20)
	for i := range h.files {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		keys, err := h.sorted(i)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if shard := shardOf(key, b.bits); shard != b.shard {
				if err := b.flush(); err != nil {
					return err
				}
				b.shard = shard
			}
			b.pending = append(b.pending, key)
		}
		progress(float64(i+1) / float64(len(h.files)))
	}
	if err := errors.Join(b.flush(), b.out.Flush()); err != nil {
		return err
	}
	b.facts.Size = b.offset
	for at, part := range map[int64][]byte{0: headOf(b.facts, b.bits, b.table), headSize: b.table} {
		if _, err := f.WriteAt(part, at); err != nil {
			return err
		}
	}
	return errors.Join(f.Chmod(0o644), f.Sync()) // it holds nothing that is not public; the server may be another user
}

// flush builds and writes the shard that is complete.
func (b *build) flush() error {
	if len(b.pending) == 0 {
		return nil
	}
	b.facts.Passwords += int64(len(b.pending))
	filter, err := xorfilter.BuildBinaryFuse[uint16](&b.builder, b.pending)
	if err != nil {
		return err
	}
	raw := make([]byte, 2*len(filter.Fingerprints))
	for i, print := range filter.Fingerprints {
		le.PutUint16(raw[2*i:], print)
	}
	entryOf(b.table[b.shard*entrySize:], filter, b.offset, crc32.Checksum(raw, castagnoli))
	b.offset += int64(len(raw))
	b.pending = b.pending[:0]
	_, err = b.out.Write(raw)
	return err
}
