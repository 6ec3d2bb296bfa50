package breached

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"

	"github.com/FastFilter/xorfilter"
)

// The file: a head, the table of shards, the shards. All numbers are little-endian.
//
//	head   magic 16 · passwords 8 · made 8 (unix µs) · bits 4 · least count 4 · file size 8 · 8 zero · crc of the table 4 · crc of the head 4
//	table  2^bits × (seed 8 · segment length 4 · segments 4 · segment count length 4 · fingerprints 4 · offset 8 · crc 4 · 4 zero)
//	shard  fingerprints × 2
//
// A key's first bits choose its shard, a binary fuse filter (Graf and Lemire, 2022) with fingerprints of 16 bits. Shards
// are small, so that building takes little memory and asking reads one of them.
const (
	magic      = "rekey breached1\n"
	headSize   = 64
	entrySize  = 40
	shardKeys  = 1 << 16 // about so many keys in one shard
	maxBits    = 20      // 64 thousand million passwords
	maxShard   = 1 << 22 // fingerprints of one shard; more is no file of ours
	digestSize = 8       // bytes of the digest that tells two lists apart
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// Facts are what a file tells about itself.
type Facts struct {
	Passwords  int64     // distinct ones
	LeastCount int       // how often each was seen at least, where the source counted
	Made       time.Time // when it was imported
	Size       int64     // bytes
	Digest     string    // tells two lists apart
}

// file is an open list.
type file struct {
	*os.File
	info  os.FileInfo
	facts Facts
	bits  int
	table []byte
}

func openFile(path string) (*file, error) {
	opened, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &file{File: opened}
	if err := f.readHead(); err != nil {
		opened.Close()
		return nil, err
	}
	return f, nil
}

var errDamaged = errors.New("it is damaged; import the list again")

func (f *file) readHead() (err error) {
	if f.info, err = f.Stat(); err != nil {
		return err
	}
	head := make([]byte, headSize)
	if _, err := f.ReadAt(head, 0); err != nil || string(head[:len(magic)]) != magic {
		return errors.New("it is no list made by rekey passwords import")
	}
	if crc32.Checksum(head[:60], castagnoli) != le.Uint32(head[60:]) || f.info.Size() != int64(le.Uint64(head[40:])) {
		return errDamaged
	}
	f.bits = int(le.Uint32(head[32:]))
	if f.bits > maxBits {
		return errDamaged
	}
	f.table = make([]byte, entrySize<<f.bits)
	if _, err := f.ReadAt(f.table, headSize); err != nil || crc32.Checksum(f.table, castagnoli) != le.Uint32(head[56:]) {
		return errDamaged
	}
	sum := sha256.New()
	sum.Write(head)
	sum.Write(f.table) // holds the checksum of every shard
	f.facts = Facts{Passwords: int64(le.Uint64(head[16:])), Made: time.UnixMicro(int64(le.Uint64(head[24:]))).UTC(),
		LeastCount: int(le.Uint32(head[36:])), Size: f.info.Size(), Digest: hex.EncodeToString(sum.Sum(nil)[:digestSize])}
	return nil
}

// is tells whether a path still leads to this file.
func (f *file) is(info os.FileInfo) bool {
	return os.SameFile(f.info, info) && f.info.Size() == info.Size() && f.info.ModTime().Equal(info.ModTime())
}

func (f *file) has(key uint64) (bool, error) {
	filter, err := f.shard(shardOf(key, f.bits))
	if err != nil || filter == nil {
		return false, err
	}
	return filter.Contains(key), nil
}

// shardOf is a key's first bits.
func shardOf(key uint64, bits int) int { return int(key >> 1 >> (63 - bits)) }

// shard reads one filter; nil for one without passwords.
func (f *file) shard(i int) (*xorfilter.BinaryFuse[uint16], error) {
	entry := f.table[i*entrySize : (i+1)*entrySize]
	n := le.Uint32(entry[20:])
	if n == 0 {
		return nil, nil
	}
	if n > maxShard {
		return nil, errDamaged
	}
	raw := make([]byte, 2*n)
	if _, err := f.ReadAt(raw, int64(le.Uint64(entry[24:]))); err != nil && err != io.EOF {
		return nil, fmt.Errorf("the list of breached passwords cannot be read: %w", err)
	}
	if crc32.Checksum(raw, castagnoli) != le.Uint32(entry[32:]) {
		return nil, errDamaged
	}
	filter := &xorfilter.BinaryFuse[uint16]{Seed: le.Uint64(entry), SegmentLength: le.Uint32(entry[8:]), SegmentCount: le.Uint32(entry[12:]),
		SegmentCountLength: le.Uint32(entry[16:]), Fingerprints: make([]uint16, n)}
	filter.SegmentLengthMask = filter.SegmentLength - 1
	if uint64(filter.SegmentCountLength)+2*uint64(filter.SegmentLength) > uint64(n) {
		return nil, errDamaged
	}
	for k := range filter.Fingerprints {
		filter.Fingerprints[k] = le.Uint16(raw[2*k:])
	}
	return filter, nil
}

func (f *file) verify() error {
	for i := range 1 << f.bits {
		if _, err := f.shard(i); err != nil {
			return err
		}
	}
	return nil
}

// entryOf describes a shard in the table.
func entryOf(entry []byte, filter xorfilter.BinaryFuse[uint16], offset int64, crc uint32) {
	le.PutUint64(entry, filter.Seed)
	le.PutUint32(entry[8:], filter.SegmentLength)
	le.PutUint32(entry[12:], filter.SegmentCount)
	le.PutUint32(entry[16:], filter.SegmentCountLength)
	le.PutUint32(entry[20:], uint32(len(filter.Fingerprints)))
	le.PutUint64(entry[24:], uint64(offset))
	le.PutUint32(entry[32:], crc)
}

// headOf is the head of a file.
func headOf(facts Facts, bits int, table []byte) []byte {
	head := make([]byte, headSize)
	copy(head, magic)
	le.PutUint64(head[16:], uint64(facts.Passwords))
	le.PutUint64(head[24:], uint64(facts.Made.UnixMicro()))
	le.PutUint32(head[32:], uint32(bits))
	le.PutUint32(head[36:], uint32(facts.LeastCount))
	le.PutUint64(head[40:], uint64(facts.Size))
	le.PutUint32(head[56:], crc32.Checksum(table, castagnoli))
	le.PutUint32(head[60:], crc32.Checksum(head[:60], castagnoli))
	return head
}
