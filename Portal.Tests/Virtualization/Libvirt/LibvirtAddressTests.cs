using CsCheck;
using Portal.Core.Virtualization.Libvirt;

namespace Portal.Tests.Virtualization.Libvirt;

/// <summary>What is taken as the address of a libvirt, and what never is.</summary>
public sealed class LibvirtAddressTests
{
    [Theory]
    [InlineData("qemu+tls://kvm-01.example.com/system", LibvirtTransport.Tls)]
    [InlineData("qemu+tls://[fd00::1]:16515/system", LibvirtTransport.Tls)]
    [InlineData("qemu+ssh://portal@kvm-01:2222/system", LibvirtTransport.Ssh)]
    [InlineData("qemu:///system", LibvirtTransport.Local)]
    public void Address_ThatIsProtected_IsTakenEverywhere(string uri, LibvirtTransport transport)
    {
        var parsed = LibvirtAddress.Parse(uri, allowsUnprotected: false);
        Assert.True(parsed.Succeeded, parsed.Refusal?.Sentence);
        Assert.Equal((transport, uri), (parsed.Value.Transport, parsed.Value.ToString()));
    }

    [Theory]
    [InlineData("qemu+tcp://127.0.0.1:16509/session")]
    [InlineData("qemu+unix:///session?socket=%2Frun%2Fa%2Flibvirt-sock")]
    [InlineData("qemu:///session")]
    [InlineData("test:///default")]
    [InlineData("test:///srv/node.xml")]
    public void Address_ThatIsNot_IsTakenInLabsOnly(string uri)
    {
        Assert.Equal(uri, LibvirtAddress.Parse(uri, allowsUnprotected: true).Value.ToString());
        Assert.Contains("labs only", LibvirtAddress.Parse(uri, allowsUnprotected: false).Refusal!.Sentence, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("kvm-01")]
    [InlineData("xen+tls://kvm-01/system")]
    [InlineData("qemu+ext:///system?command=/bin/sh")]
    [InlineData("qemu+libssh2://kvm-01/system")]
    [InlineData("qemu+tls:///system")]
    [InlineData("qemu+tls://kvm-01/")]
    [InlineData("qemu+tls://kvm-01/system?no_verify=1")]
    [InlineData("qemu+tls://kvm-01/system?pkipath=/etc")]
    [InlineData("qemu+ssh://kvm-01/system?command=/bin/sh")]
    [InlineData("qemu+ssh://kvm-01/system?known_hosts_verify=ignore")]
    [InlineData("qemu+ssh://root:secret@kvm-01/system")]
    [InlineData("qemu+ssh://-oProxyCommand=x@kvm-01/system")]
    [InlineData("qemu+tls://root@kvm-01/system")]
    [InlineData("qemu+unix://kvm-01/system")]
    [InlineData("qemu+unix:///session?socket=relative")]
    [InlineData("qemu+unix:///session?netcat=/bin/sh")]
    [InlineData("qemu+tls://kvm-01/system#a")]
    [InlineData("qemu+tls://kvm 01/system")]
    public void Address_WithAnythingElse_IsRefused_InLabsToo(string uri)
    {
        var refusal = LibvirtAddress.Parse(uri, allowsUnprotected: true).Refusal;
        Assert.Equal(("host.libvirt_uri.invalid", "libvirt_uri"), (refusal?.Code, refusal?.Field));
    }

    [Fact]
    public void Session_OnAnotherMachine_IsForLabs() => Assert.False(LibvirtAddress.Parse("qemu+tls://kvm-01/session", allowsUnprotected: false).Succeeded);

    [Fact]
    public void AnyText_IsAnAddressOrARefusal_AndAnAddressStaysOne() =>
        Gen.OneOf(Gen.String, Gen.OneOf("qemu", "+tls", "+ssh", "+unix", "://", "/", "system", "session", "?", "socket=", "&", "a", "@", ":", "1", "[::1]", "%2f", "%0a", "..").Array[0, 12].Select(string.Concat)).Sample(text =>
        {
            var parsed = LibvirtAddress.Parse(text, allowsUnprotected: true);
            if (parsed.Succeeded)
            {
                Assert.Equal(parsed.Value, LibvirtAddress.Parse(parsed.Value.ToString(), allowsUnprotected: true).Value);
                Assert.DoesNotContain("no_verify", parsed.Value.For([]), StringComparison.Ordinal);
            }
        });
}
