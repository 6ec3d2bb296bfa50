package demo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// How many people there are, beside those with a password.
const (
	atLune      = 176
	atNordlicht = 120
)

// person is one customer to be.
type person struct {
	website, view         string
	first, last, email    string
	password              string // "" for a person whom nobody signs in as
	created, lastSignIn   time.Time
	unconfirmed, sleeping bool // sleeping: no session, no token
}

// known are the people whose passwords the demo prints.
func known() []person {
	return []person{
		{website: lune, view: "default", first: "Camille", last: "Durand", email: "camille@maison-lune.example", password: "moonlight-8"},
		{website: lune, view: "lune_fr", first: "Théo", last: "Lambert", email: "theo@maison-lune.example", password: "clair-de-lune-8"},
		{website: nordlicht, view: "nordlicht_de", first: "Anna", last: "Schäfer", email: "anna@nordlicht.example", password: "polarlicht-8"},
		{website: nordlicht, view: "nordlicht_en", first: "Oliver", last: "Byrne", email: "oliver@nordlicht.example", password: "trail-mix-8"},
	}
}

// people are names of one part of the world; the weights say how many of each shop there.
type people struct {
	lune, nordlicht int
	first, last     string
}

var nations = []people{
	{55, 6, "Camille Léa Manon Chloé Inès Jade Louise Emma Zoé Margaux Clémence Élise Juliette Sophie Nathalie Lucas Hugo Louis Gabriel Arthur Jules Théo Maxime Antoine Baptiste Étienne François Gaëlle",
		"Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefèvre Michel Garcia David Bertrand Roux Vincent Fournier Morel Girard André Mercier Blanc Guérin Boyer Garnier Chevalier François Legrand Gauthier Perrin Robin Clément Morin Faure"},
	{8, 55, "Anna Lena Marie Sophia Johanna Katharina Franziska Jürgen Uwe Lukas Jonas Felix Maximilian Leon Finn Paul Moritz Jakob Björn Jörg Heike Sabine Ulrike Greta Frieda Mathilda Hannah Clara Emil Anton",
		"Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Schmitt Werner Krause Lehmann Köhler Maier Vogel Jäger Weiß"},
	{14, 12, "Olivia Amelia Isla Ava Grace Freya Niamh Aoife Siobhán Oliver George Harry Jack Noah Oscar Rhys Callum Ewan Fiona Imogen Harriet Declan Maeve",
		"Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson Evans Walker White Roberts Green Hall Wood Clarke O'Connor O'Neill Murphy Kelly Byrne MacDonald Fraser Campbell"},
	{7, 3, "Giulia Sofia Aurora Chiara Francesca Alessia Martina Leonardo Lorenzo Matteo Andrea Niccolò Davide Tommaso",
		"Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Bruno Gallo Conti Caruso Costa Giordano Mancini"},
	{7, 3, "Lucía Sofía Martina María Paula Valeria Alba Íñigo Hugo Mateo Martín Álvaro Adrián Nuria Begoña João Beatriz Inês Gonçalo",
		"García Rodríguez González Fernández López Martínez Sánchez Pérez Gómez Jiménez Ruiz Hernández Díaz Muñoz Silva Santos Ferreira Pereira"},
	{3, 10, "Astrid Freja Ida Alma Sigrid Ingrid Saga Elsa Søren Lars Nils Björn Håkon Magnus Emil Aino Eino Åsa Gunnar",
		"Hansen Johansen Olsen Larsen Andersen Nielsen Jensen Pedersen Lindqvist Bergström Nyström Åkesson Virtanen Korhonen Sørensen Dahl"},
	{3, 6, "Zofia Zuzanna Maja Hanna Łukasz Michał Jakub Szymon Tomáš Jiří Tereza Eliška Katarzyna Wojciech",
		"Nowak Kowalski Wiśniewski Wójcik Kowalczyk Kamiński Lewandowski Zieliński Novák Svoboda Dvořák Černý Procházka"},
	{3, 5, "Emma Julia Sanne Lotte Fleur Daan Sem Bram Thijs Joost Femke Anouk Wouter",
		"Jansen Bakker Visser Smit Meijer Mulder Bos Vos Peters Hendriks Dekker Brouwer Dijkstra"},
	{6, 5, "Yasmine Nadia Karim Mehdi Amira Elif Zeynep Emre Deniz Ayşe Linh Minh Anh Thu Mei Wei Priya Arjun Ananya Kenji Yuki",
		"Benali Haddad Mansouri Yılmaz Kaya Demir Çelik Nguyen Tran Pham Chen Wang Li Sharma Patel Kaur Tanaka Sato"},
}

var domains = []string{"example.com", "example.org", "example.net", "post.example", "mail.example", "inbox.example"}

// crowd makes everybody else, the ones who came first first.
func crowd(rng *rand.Rand, now time.Time) []person {
	taken := map[string]bool{}
	var all []person
	for _, site := range []struct {
		code, home, abroad string
		count              int
	}{{lune, "lune_fr", "default", atLune}, {nordlicht, "nordlicht_de", "nordlicht_en", atNordlicht}} {
		for range site.count {
			p := stranger(rng, site.code, taken)
			p.view = site.abroad
			if rng.IntN(100) < 62 {
				p.view = site.home
			}
			all = append(all, p)
		}
	}
	const years = 3 * 365 * 24 * time.Hour
	for i := range all {
		p := &all[i]
		// The product of two dice makes recent customers more numerous: the stores grow.
		age := time.Duration(float64(years) * rng.Float64() * rng.Float64())
		p.created = now.Add(-age - 90*time.Minute).Truncate(time.Second)
		switch dice := rng.IntN(100); {
		case dice < 5 && age < 60*24*time.Hour:
			p.unconfirmed = true
		case dice < 85:
			since := now.Sub(p.created)
			p.lastSignIn = now.Add(-time.Duration(float64(since) * rng.Float64() * rng.Float64() * .9)).Truncate(time.Second)
		}
		p.sleeping = p.unconfirmed || p.lastSignIn.IsZero()
	}
	slices.SortFunc(all, func(a, b person) int { return a.created.Compare(b.created) })
	return all
}

func stranger(rng *rand.Rand, website string, taken map[string]bool) person {
	for {
		n := pickNation(rng, website)
		first, last := pick(rng, strings.Fields(n.first)), pick(rng, strings.Fields(n.last))
		email := address(rng, first, last)
		if key := website + email; !taken[key] {
			taken[key] = true
			return person{website: website, first: first, last: last, email: email}
		}
	}
}

func pickNation(rng *rand.Rand, website string) people {
	weight := func(n people) int {
		if website == lune {
			return n.lune
		}
		return n.nordlicht
	}
	total := 0
	for _, n := range nations {
		total += weight(n)
	}
	at := rng.IntN(total)
	for _, n := range nations {
		if at -= weight(n); at < 0 {
			return n
		}
	}
	return nations[0]
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// address writes an address as people choose theirs.
func address(rng *rand.Rand, first, last string) string {
	f, l := ascii(first), ascii(last)
	local := f + "." + l
	switch rng.IntN(6) {
	case 0:
		local = f[:1] + "." + l
	case 1:
		local = f + l
	case 2:
		local = fmt.Sprintf("%s.%s%02d", f, l, (60+rng.IntN(45))%100)
	case 3:
		local = f + "_" + l
	}
	return local + "@" + pick(rng, domains)
}

var letters = strings.NewReplacer("ü", "ue", "ö", "oe", "ä", "ae", "ß", "ss", "ø", "o", "å", "a", "æ", "ae", "ł", "l", "ı", "i", "'", "", " ", "")

// ascii writes a name as most people do in an address.
func ascii(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) || r > unicode.MaxASCII {
			return -1
		}
		return r
	}, norm.NFD.String(letters.Replace(norm.NFC.String(strings.ToLower(name)))))
}
