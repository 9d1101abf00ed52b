package waf
import ("testing";"fmt")
func TestDbg(t *testing.T){
 for _,own:=range []string{"","127.0.0.1:8080"} { for _,zone:=range []string{"contact","admin"} {
 r:=request("POST","/wp-login.php","log=owner&redirect_to=http://169.254.169.254/latest/meta-data/"); r.Own=own; _ = zone
 fmt.Printf("%q %s %+v\n",own,zone,inspect(t,r)) }}
 r:=request("POST","/x","log=owner&redirect_to=http://169.254.169.254/latest/meta-data/"); r.Own=""
 fmt.Printf("%+v\n",inspect(t,r))
}
