package db_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// Durable commits per second at 1, 16 and 64 writers, beside the rate of a bare write and fsync on the same disk: what
// group commit gains is the ratio between them. Run: go test -bench Commit ./db
func BenchmarkCommit(b *testing.B) {
	b.Run("raw-fsync", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		page := make([]byte, 4096)
		for b.Loop() {
			if _, err := f.Write(page); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b)
	})
	for _, engine := range dbtest.Engines() {
		for _, writers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/writers-%d", engine, writers), func(b *testing.B) { commits(b, dbtest.Open(b, engine), writers) })
		}
	}
}

func commits(b *testing.B, d *db.DB, writers int) {
	ctx := context.Background()
	insert := "INSERT INTO limits (key, hits, expires_at) VALUES ($1, $2, 1)"
	var wg sync.WaitGroup
	next := make(chan struct{})
	for range writers {
		wg.Go(func() {
			for range next {
				id := db.NewID()
				err := d.Write(ctx, func(tx *db.Tx) error {
					_, err := tx.Exec(ctx, insert, id[:], []byte("12345678"))
					return err
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	b.ResetTimer()
	for range b.N {
		next <- struct{}{}
	}
	close(next)
	wg.Wait()
	perSecond(b)
}

func perSecond(b *testing.B) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric(0, "ns/op")
}
