package customer_test

import (
	"testing"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/test/fixture"
)

// What people paste comes with what stood around it: in a mail program, a spreadsheet, an order, a chat.
var pasted = []string{
	`camille@x.test`, ` camille@x.test `, "camille@x.test\r\n", "\u00a0camille@x.test\u200b", "\u202acamille@x.test\u202c", "\ufeffcamille@x.test",
	`"camille@x.test"`, `'camille@x.test'`, "`camille@x.test`", `“camille@x.test”`, `„camille@x.test“`, `« camille@x.test »`, `«camille@x.test»`, `‹camille@x.test›`, `(camille@x.test)`, `[camille@x.test]`,
	`<camille@x.test>`, `Camille Durand <camille@x.test>`, `"Durand, Camille" <camille@x.test>`, `Durand, Camille <CAMILLE@X.TEST>`, `camille@x.test (Camille Durand)`, `Camille <camille@x.test>,`, `<camille@x.test>;`,
	`mailto:camille@x.test`, `<mailto:camille@x.test>`, `mailto:camille@x.test?subject=Hello%20there`, `[camille@x.test](mailto:camille@x.test)`,
	`Email: camille@x.test`, `E-Mail:camille@x.test`, `To: Camille <camille@x.test>`, `camille@x.test.`, `camille@x.test,`, `camille@x.test;`, "Camille\tcamille@x.test\t12",
}

func TestSearchTakesWhatIsPasted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := fixture.Furnish(t, d)
		camille := h.Customer("lune_en", "camille@x.test")
		other := h.Customer("lune_en", "lea.o'brien@bücher.test")
		for _, text := range pasted {
			if got := search(t, h, customer.Query{Text: text}).Customers; len(got) != 1 || got[0].ID != camille.ID {
				t.Errorf("%q finds %d customers", text, len(got))
			}
			if got := customer.ParseSought(text); got.Address.Canonical() != "camille@x.test" || got.ID != 0 {
				t.Errorf("%q is read as %+v", text, got)
			}
		}
		for _, text := range []string{`lea.o'brien@bücher.test`, `'lea.o'brien@bücher.test'`, `lea.o'brien@xn--bcher-kva.test`, `Léa <LEA.O'Brien@BÜCHER.test>`} {
			if got := search(t, h, customer.Query{Text: text}).Customers; len(got) != 1 || got[0].ID != other.ID {
				t.Errorf("%q finds %d customers", text, len(got))
			}
		}
	})
}

func TestSearchByNumber(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := fixture.Furnish(t, d)
		one := h.Customer("lune_en", "camille@x.test")
		h.Customer("lune_en", "agent1@x.test") // has the number in its address
		for text, want := range map[string]int{"#1": 1, " # 1 ": 1, "“#1”": 1, "№1": 1, "№ 1": 1, "#000000001": 1, "1": 2, "#": 0, "#99": 0, "#-1": 0, "#1#": 0, "#99999999999999999999": 0} {
			got := search(t, h, customer.Query{Text: text}).Customers
			if len(got) != want || want == 1 && got[0].ID != one.ID {
				t.Errorf("%q finds %d customers, want %d", text, len(got), want)
			}
		}
	})
}

func TestWordsAreFreedOfWhatStandsAroundThem(t *testing.T) {
	for text, want := range map[string]string{
		`Camille  Durand`: "Camille Durand", `"Camille Durand"`: "Camille Durand", `Durand, Camille`: "Durand Camille", `Camille 'Cam' Durand`: "Camille Cam Durand",
		`O'Brien`: "O'Brien", `d'Arc`: "d'Arc", `Jean-Luc`: "Jean-Luc", `example.com`: "example.com", `@example.com`: "@example.com", `50%_`: "50%_", `"`: "", `<>`: "",
		"می\u200cخواهم": "می\u200cخواهم", "Smith/Dupont": "Smith/Dupont",
	} {
		if got := customer.ParseSought(text); got.Text != want || !got.Address.IsZero() {
			t.Errorf("%q is read as %q, want %q", text, got.Text, want)
		}
	}
}
