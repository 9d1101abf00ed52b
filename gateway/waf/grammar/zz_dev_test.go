package grammar
import ("testing";"os";"strings";"strconv";"fmt")
func TestZZ(t *testing.T){
 name:=os.Getenv("G"); class:=os.Getenv("C")
 g,_:=Named(name)
 for _,f:=range []string{"benign","attacks"} {
  b,_:=os.ReadFile("/tmp/detect-"+f+".txt"); n,hit:=0,0
  for _,l:=range strings.Split(string(b),"\n"){ c:=strings.Split(l,"\t"); if len(c)<4 {continue}
   s,err:=strconv.Unquote(c[len(c)-1]); if err!=nil {continue}
   if f=="attacks" { if !strings.Contains(","+class+",", ","+c[0]+",") || (c[2]!="plain"&&c[2]!="prose"&&c[2]!="spaces"&&c[2]!="comments"&&c[2]!="case"&&c[2]!="concatenation") {continue}}
   n++; m:=g.Match(s); if m {hit++}
   if m&&g.Needs!=nil { ok:=false; for _,x:=range g.Needs { if strings.Contains(strings.ToLower(s),x) {ok=true} }; if !ok { fmt.Println("NEEDS", l)}}
   if m==(f=="benign") && os.Getenv("V")!="" { if len(l)>250 {l=l[:250]}; fmt.Println(l)}
  }
  fmt.Println(f,hit,"of",n)
 }
}
