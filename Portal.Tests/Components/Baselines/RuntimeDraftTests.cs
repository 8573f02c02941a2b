using System.Text;
using Portal.Components.Baselines.Editing;
using Portal.Core.Baselines;
using Portal.Tests.Tpm;

namespace Portal.Tests.Components.Baselines;

/// <summary>Files as people paste them.</summary>
public sealed class RuntimeDraftTests
{
    private static readonly string One = new('a', 64);
    private static readonly string Two = new('B', 96);

    [Fact]
    public void Add_LinesOfEitherOrder_BecomeFilesInTheStoredSpelling()
    {
        var draft = new RuntimeDraft();

        Assert.Null(draft.Add($"{One}  /usr/bin/bash\n{One} */usr/bin/sh\n/usr/bin/bash {Two}\r\n\nsha256:{One}\n"));

        var runtime = draft.ToReference();
        Assert.Equal(["/usr/bin/bash", "/usr/bin/sh"], runtime.Files.Select(f => f.Path));
        Assert.Equal(["sha256:" + One, "sha384:" + Two.ToLowerInvariant()], runtime.Files[0].Digests);
        Assert.Equal(["sha256:" + One], runtime.Anywhere);
        Assert.True(runtime.Compile().Succeeded);
    }

    [Theory]
    [InlineData("/usr/bin/bash", "Line 1 has no")]
    [InlineData("AAAA /usr/bin/bash", "Line 1 has no")]
    [InlineData("\n0000000000000000000000000000000000000000000000000000000000000000  /opt/my tool", "line 2 holds a space")]
    public void Add_ALineIsWrong_SaysWhichAndAddsNothing(string lines, string complaint)
    {
        var draft = new RuntimeDraft();

        Assert.Contains(complaint, draft.Add($"{lines}\n{One}  /usr/bin/good"), StringComparison.Ordinal);

        Assert.Empty(draft.ToReference().Files);
    }

    [Fact]
    public void From_ThenToReference_SaysTheSame()
    {
        var runtime = new RuntimeReference([new("/usr/bin/bash", ["sha256:" + One])], ["sha256:" + One], ["^/var/log/", "^/run/"], ToleratesViolations: true).Normalized();
        var content = BaselineContent.Empty with { Runtime = runtime };

        Assert.Equal(content.ToCanonicalJson(), ContentDraft.From(content).ToContent().ToCanonicalJson());
    }

    [Fact]
    public void Remove_TakesAFileOutAndNothingElse()
    {
        var draft = new RuntimeDraft();
        draft.Add($"{One} /a\n{One} /b\n{One}");

        draft.Remove("/a");
        draft.ForgetAnywhere();

        Assert.Equal(["/b"], draft.ToReference().Files.Select(f => f.Path));
        Assert.Empty(draft.ToReference().Anywhere);
    }

    [Fact]
    public void PastedText_NoiseCutsAndMutations_IsTakenOrRefused()
    {
        var content = BaselineContent.Empty with { Runtime = new RuntimeReference([new("/usr/bin/bash", ["sha256:" + One])], [], ["^/var/log/"]) };
        Mutations.NoiseCutsAndMutations([Encoding.UTF8.GetBytes(content.ToCanonicalJson()), Encoding.UTF8.GetBytes($"{One}  /usr/bin/bash\n{One}")], bytes =>
        {
            var text = Encoding.UTF8.GetString(bytes);
            Assert.NotEqual(ImportedContent.Read(text).Succeeded, ImportedContent.Read(text).Refusal is not null);
            var draft = new RuntimeDraft();
            var complaint = draft.Add(text);
            Assert.True(complaint is null || draft.ToReference().DigestCount == 0);
        });
    }
}
